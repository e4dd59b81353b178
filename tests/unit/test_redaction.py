"""Which keys hide their values, and that nothing hidden is ever handed on."""

from __future__ import annotations

import pytest

from xray.capture.redaction import REDACTED, Redactor

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
