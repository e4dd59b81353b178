"""Which keys hide their values, and that nothing hidden is ever handed on."""

from __future__ import annotations

import collections
import dataclasses
import enum
from typing import Any, NamedTuple

import pytest

import xray
from xray.capture import guard
from xray.capture.failures import describe_error
from xray.capture.redaction import DEFAULT_REDACTED_KEYS, REDACTED, Redactor
from xray.capture.run import Run
from xray.capture.settings import CaptureSettings
from xray.capture.snapshot import SnapshotLimits, snapshot
from xray.model.facts import Fact
from xray.model.values import open_value
from xray.wire.codec import encode_fact

TELLING_WORDS = """
password Password PASSWORD passWord userPassword user_password db-password dbpassword passwords
password_hash passwordHash passwd mysql_passwd passphrase pass_phrase passcode pwd mysql_pwd
secret secrets client_secret clientSecret clientsecret SECRET_KEY aws_secret_access_key mysecret
api_key apiKey APIKey apikey API-KEY ApiKey api.key openai_api_key OPENAIAPIKEY x-api-key api_key2
apiKeyV2 APIKEYv2 access_key accessKeyId private_key privateKey signing_key encryption_key ssh_key
authorization Authorization x-authorization proxyAuthorization auth basic_auth proxy-auth bearer
token Token userToken user_token usertoken access_token accessToken accesstoken refresh_token
id_token idToken auth-token api_tokens access_tokens refreshTokens github_token TOKEN_GITHUB
token_value tokenHash next_page_token csrf_token csrf xsrf jwt oauth2_tokens oauth2token
credential credentials userCredentials creds cookie Cookies set-cookie session_id sessionId
sessionid session_key otp ssn SSN user_ssn ssn2 social_security_number socialSecurity credit_card
creditCardNumber creditcard card_number cardNumber cvv cvc card_cvv dsn sentry_dsn connection_string
"""
ODDLY_SPELLED = [
    "credit card", "api key", "user's password", "password:", " password ", "('password', 1)",
    "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44", "pass\u200bword", "kullanıcı_password",
]  # fmt: skip
HARMLESS_WORDS = """
id name title price score reason classname className class_name passage passages passenger compass
bypass pass_rate passed assn mission session session_length authority author authors authored
authenticated keyword keywords key keys monkey keyboard turkey primary_key foreign_key public_key
sort_key cache_key secretary secretariat tokenizer tokenized tokenize tokenization detokenizer
token_count tokenCount tokens max_tokens maxTokens n_tokens num_tokens total_tokens new_tokens
max_new_tokens input_tokens output_tokens prompt_tokens completion_tokens cached_tokens
reasoning_tokens tokens_used tokens_per_second cost_per_token time_to_first_token tokencount
promptTokenCount candidatesTokenCount token_limit token_usage token_budget token_ids token_id
token_type token_type_ids eos_token pad_token_id stop_token token_set_ratio token_sort_ratio
token_overlap token_logprobs token_embeddings usage.prompt_tokens scorecard card cards discard
discard_number card_count cookiecutter accessory access private signing otpional
dsname pwdx bearerless cardinality number_of_cards description jwtx session_index
"""


@pytest.mark.parametrize("key", [*TELLING_WORDS.split(), *ODDLY_SPELLED], ids=ascii)
def test_a_telling_key_hides_its_value(key: str) -> None:
    assert Redactor().apply(key, "v-7f3a") is REDACTED


@pytest.mark.parametrize("key", HARMLESS_WORDS.split())
def test_a_harmless_neighbour_of_a_telling_key_stays_visible(key: str) -> None:
    assert Redactor().apply(key, "kept") == "kept"


@pytest.mark.parametrize("words", DEFAULT_REDACTED_KEYS)
@pytest.mark.parametrize("between", ["", "_", "-", " "])
def test_every_built_in_word_hides_however_it_is_written(words: str, between: str) -> None:
    redactor = Redactor()
    spelled = words.replace(" ", between)
    assert redactor.hides_key(spelled)
    assert redactor.hides_key(spelled.upper())
    assert redactor.hides_key(f"my{between or '_'}{spelled}s")
    assert redactor.hides_key("".join(map(str.title, words.split())))


# Keys of the pipeline's own


@pytest.mark.parametrize(
    ("key", "is_hidden"),
    [
        ("email", True), ("user_email", True), ("emailAddress", True), ("EMAILS", True),
        ("emailed", False), ("homeAddress", True), ("home-address", True), ("homeaddress", True),
        ("address", False), ("home", False), ("密码", True), ("用户密码", True), ("größe", True),
        ("größenordnung", False), ("max_tokens", False), ("password", True),
    ],
)  # fmt: skip
def test_further_keys_hide_as_words_too(key: str, is_hidden: bool) -> None:
    redactor = Redactor(["email", "home address", "密码", "größe"])
    assert redactor.hides_key(key) is is_hidden


@pytest.mark.parametrize(
    ("key", "is_hidden"),
    [
        ("session_id", False), ("sessionId", False), ("SESSION-ID", False), ("token", False),
        ("my_session_id", True), ("access_token", True), ("email_domain", False), ("email", True),
    ],
)  # fmt: skip
def test_an_allowed_key_is_kept_as_a_whole_only(key: str, is_hidden: bool) -> None:
    redactor = Redactor(["email"], allowed_keys=["session_id", "token", "emailDomain"])
    assert redactor.hides_key(key) is is_hidden


@pytest.mark.parametrize("nothing", ["", " ", "_-"])
def test_a_key_without_words_hides_nothing_more(nothing: str) -> None:
    assert not Redactor([nothing], allowed_keys=[nothing]).hides_key("some_name")


def test_a_key_too_long_to_read_hides_its_value() -> None:
    assert Redactor().hides_key("x" * 5_000)


def test_what_is_remembered_of_keys_stays_small() -> None:
    redactor = Redactor()
    for number in range(25_000):
        redactor.hides_key(f"key-{number}")
    redactor.hides_key("y" * 4_000)
    assert len(redactor.verdicts) <= 10_000
    assert redactor.harmless <= set(redactor.verdicts)
    assert max(map(len, redactor.verdicts)) <= 64
    assert redactor.hides_key("password")
    assert redactor.hides_key("password")


def test_with_a_hook_no_key_is_harmless() -> None:
    redactor = Redactor(hook=lambda key, value: value)
    redactor.hides_key("price")
    assert redactor.harmless == set()


# Nothing hidden is handed on

SECRET = "s3cr3t-7f3a"


class Wire:
    """A sink that keeps the bytes of every fact."""

    def __init__(self) -> None:
        self.sent = b""

    def put(self, fact: Fact) -> None:
        """Keep *fact* as it would travel."""
        self.sent += encode_fact(fact)

    def settle_run(self, run_id: str) -> None:
        """Settle nothing."""

    def count_loss(self, cause: str, records: int = 1, decisions: int = 0) -> None:
        """Lose nothing."""
        raise AssertionError(cause)


def record_everywhere(redactor: Redactor, telling: Any, name: str) -> bytes:
    """Give *telling* to every place of a run that takes a map, and the secret under *name*."""
    wire = Wire()
    settings = CaptureSettings(redactor=redactor)
    run = Run("p", wire, settings, input=telling, metadata=telling, params=telling)
    with run:
        run.set_metadata(telling)
        run.set_metadata(**{name: SECRET})
        for level in ("full", "sample", "minimal"):
            with run.step(level, "filter", capture=level, params=telling, input=telling) as step:
                step.set_params(telling)
                step.set_params(**{name: SECRET})
                step.set_input(telling)
                step.log_stats(telling)
                step.log_stats(**{name: SECRET})
                step.set_output([telling, (telling,)])
                step.reject("a", "why", telling)
                step.accept("b", None, telling)
                step.select("c", attributes=[telling])
                step.reject("d", name, observed=SECRET, op="==", limit=SECRET)
                step.check("e", name, SECRET, "==", SECRET)
                step.check("f", "rule", SECRET, "==", SECRET, field=name)
                step.check("g", "rule", telling, "==", telling)
                step.log_sampled_candidates([telling], [(telling, 1.0)])
        run.set_output(telling)
    return wire.sent


@dataclasses.dataclass
class Login:
    """A record with a telling field."""

    password: str


class Pair(NamedTuple):
    """A named tuple with a telling field."""

    name: str
    password: str


class Field(enum.Enum):
    """Names of fields."""

    PASSWORD = 1


@pytest.mark.parametrize(
    "telling",
    [
        {"password": SECRET},
        {"list": [{"deep": ({"apiKey": SECRET},)}]},
        {"password": {"inner": [SECRET]}},
        {"PASSWORD ": SECRET},
        {b"authorization": SECRET},
        {("user", "password"): SECRET},
        {Field.PASSWORD: SECRET},
        {"x" * 300 + "_password": SECRET},
        {"login": Login(SECRET)},
        {"pair": Pair("n", SECRET)},
        collections.OrderedDict(password=SECRET),
        {"many": [{"n": n, "token": SECRET} for n in range(2_000)]},
    ],
)
def test_no_value_under_a_telling_key_is_handed_on(telling: Any) -> None:
    sent = record_everywhere(Redactor(), telling, "password")
    assert SECRET.encode() not in sent
    assert SECRET.encode().hex().encode() not in sent
    assert sent.count(b"redacted") > 20


def test_the_secret_would_be_seen_if_it_were_not_hidden() -> None:
    sent = record_everywhere(Redactor(allowed_keys=["password"]), {"password": SECRET}, "password")
    assert sent.count(SECRET.encode()) > 20


def mask(key: str, value: Any) -> Any:
    return REDACTED if isinstance(value, str) and SECRET in value else value


def test_a_hook_is_asked_about_every_text_of_a_map_before_it_is_handed_on() -> None:
    telling = {"note": SECRET, "list": [SECRET, [SECRET]], "deep": {"note": f"it is {SECRET}"}}
    assert SECRET.encode() not in record_everywhere(Redactor(hook=mask), telling, "note")


def fail(key: str, value: object) -> object:
    raise RuntimeError(SECRET)


def test_a_hook_that_raises_redacts() -> None:
    sent = record_everywhere(Redactor(hook=fail), {"note": SECRET}, "note")
    assert SECRET.encode() not in sent
    assert b"redacted" in sent


def test_a_hook_that_ends_the_program_ends_it() -> None:
    def interrupt(key: str, value: object) -> object:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Redactor(hook=interrupt).apply("note", 1)


class Hostile(str):
    """A text whose methods raise."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(name)

    __repr__ = __eq__ = __hash__ = __len__ = __getattribute__  # type: ignore[assignment]


def test_what_a_hook_returns_is_frozen_like_everything_else() -> None:
    answers: dict[str, Any] = {
        "text": Hostile("masked"),
        "map": {"password": SECRET, "kept": 1},
        "object": object(),
        "number": 1 << 70,
    }
    omissions: dict[str, int] = {}
    redactor = Redactor(hook=answers.get)
    frozen = snapshot(dict.fromkeys(answers), redactor, omissions, SnapshotLimits())
    assert open_value(frozen) == {
        "text": "masked",
        "map": {"password": REDACTED, "kept": 1},
        "object": {"$xray": "object", "type": "object"},
        "number": {"$xray": "integer", "value": str(1 << 70)},
    }
    assert omissions == {"redacted": 1, "opaque": 1, "unencodable": 1}


def test_a_hook_that_always_nests_comes_to_an_end() -> None:
    redactor = Redactor(hook=lambda key, value: {"again": value})
    frozen = snapshot({"a": 1}, redactor, {}, SnapshotLimits(max_depth=5))
    assert "truncated" in repr(open_value(frozen))


def test_a_hook_is_asked_about_a_value_alone_under_the_name_it_is_given() -> None:
    frozen = snapshot(SECRET, Redactor(hook=mask), {}, SnapshotLimits(), key="output")
    assert open_value(frozen) == REDACTED


def test_a_hook_is_asked_about_the_text_of_an_error() -> None:
    error = ValueError(f"no such key: {SECRET}")
    told = describe_error(error, Redactor(hook=mask))
    assert told is not None
    assert (told.type, told.message) == ("ValueError", "<redacted>")
    kept = describe_error(error, Redactor())
    assert kept is not None
    assert SECRET in kept.message


def test_a_client_hides_and_allows_keys_of_its_own() -> None:
    wire = Wire()
    client = xray.XRay("p", sink=wire, redact_keys=["email"], allow_keys=["session_id"])
    with client.run(input={"user_email": SECRET, "session_id": "shown-1", "token": SECRET}):
        pass
    assert SECRET.encode() not in wire.sent
    assert b"shown-1" in wire.sent


@pytest.mark.parametrize("wrong", ["email", 5, ["email", 5], [""], {"email": True}], ids=repr)
def test_redacted_keys_that_are_no_list_of_words_are_warned_about(
    wrong: object, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_last_said_s", {})
    client = xray.XRay("p", sink=Wire(), redact_keys=wrong)
    with client.run():
        pass
    assert "redact_keys" in caplog.text
    assert "list of words" in caplog.text
