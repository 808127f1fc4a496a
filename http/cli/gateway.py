"""A running gateway as the command line finds it: its address, its secret, and what its refusals mean."""

import ipaddress
from typing import TYPE_CHECKING, Any

from greenroom.actors.settings import Secret
from greenroom.http.config import Configuration, NoAuth
from greenroom.http.config.authentication import TOKEN_VARIABLE
from greenroom.http.server.listener import base_url

if TYPE_CHECKING:
    import httpx2


class GatewayAddress:
    """Where the gateway is, and who asks it; `url` and `token` go before the configuration's."""

    def __init__(self, configuration: Configuration, url: str | None, token: str | None) -> None:
        gateway = configuration.gateway
        own = base_url(_reachable(gateway.host), gateway.port, secure=gateway.tls is not None)
        self.url = (url or own).rstrip("/")
        self.secret = Secret(token) if token else _configured_secret(configuration)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that say who asks."""
        return {} if self.secret is None else {"authorization": f"Bearer {self.secret.reveal()}"}

    @property
    def unreachable(self) -> str:
        """What to tell where nothing answers."""
        return f"no gateway answers at {self.url}; start one with 'greenroom serve'"

    @property
    def refused(self) -> str:
        """What to tell where the secret is wrong."""
        return (
            f"the gateway at {self.url} did not accept the token; set {TOKEN_VARIABLE} or --token"
        )

    def explain(self, answer: "httpx2.Response") -> str:
        """Say what an answer means that is no success."""
        if answer.status_code == 401:
            return self.refused
        try:
            error: Any = answer.json()["error"]
            return str(error["message"])
        except (ValueError, KeyError, TypeError):
            return f"the gateway at {self.url} answered {answer.status_code}"


def _reachable(host: str) -> str:
    """Return where a gateway that listens on `host` is found from this machine."""
    address = ipaddress.ip_address(host)
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"


def _configured_secret(configuration: Configuration) -> Secret | None:
    auth = configuration.gateway.auth
    # A token generated here is no running gateway's.
    if isinstance(auth, NoAuth) or auth.source == "generated":
        return None
    return auth.secret
