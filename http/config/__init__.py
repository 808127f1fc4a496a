"""The configuration: one JSON5 file, found, read, checked and resolved into one frozen struct.

`load` is the way in. Whatever is wrong comes out of it as one `ConfigurationError`, whose problems
name file, line and key; no message and no `repr` ever holds a secret. The keys are those of the
existing product where it has them, so that the relevant parts of its files work unchanged.
docs/configuration.md is the reference.
"""

from greenroom.http.config.configuration import (
    Auth,
    Configuration,
    FailureLimits,
    Gateway,
    Http1,
    HttpLimits,
    ImageLimits,
    LogFormat,
    Logging,
    LogLevel,
    NoAuth,
    PasswordAuth,
    SecretSource,
    Tls,
    TokenAuth,
)
from greenroom.http.config.errors import ConfigurationError, Problem
from greenroom.http.config.find import find
from greenroom.http.config.findings import IgnoredKey
from greenroom.http.config.load import load
from greenroom.http.config.secret_file import NoSecret, read_secret

__all__ = [
    "Auth",
    "Configuration",
    "ConfigurationError",
    "FailureLimits",
    "Gateway",
    "Http1",
    "HttpLimits",
    "IgnoredKey",
    "ImageLimits",
    "LogFormat",
    "LogLevel",
    "Logging",
    "NoAuth",
    "NoSecret",
    "PasswordAuth",
    "Problem",
    "SecretSource",
    "Tls",
    "TokenAuth",
    "find",
    "load",
    "read_secret",
]
