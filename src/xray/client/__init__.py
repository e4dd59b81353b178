"""The read API over HTTP, for notebooks and the command line."""

from xray.client.asking import DEFAULT_TIMEOUT_S
from xray.client.forgetting import Forgetting
from xray.client.group_answers import GroupAnswers
from xray.client.labels import Labels
from xray.client.lists import LAST
from xray.client.retention import Retention
from xray.client.run_answers import RunAnswers

__all__ = ["DEFAULT_TIMEOUT_S", "LAST", "Client"]


class Client(RunAnswers, GroupAnswers, Labels, Retention, Forgetting):
    """Reads runs, steps, decisions and answers from an X-Ray server; labels them, lets them go.

    Args:
        url: the server; `XRAY_URL`, else `http://127.0.0.1:8000`, when absent.
        api_key: its key; `XRAY_API_KEY` when absent.
        timeout_s: how long one request may take.

    Raises:
        ConfigurationError: the address is none, or the key would travel unencrypted.
    """
