"""The actor kernel: actors, mailboxes, refs, streams, and the tree that they live in.

It knows nothing of agents, models or HTTP, and is of use by itself.
"""

from greenroom.runtime.actor import Actor, Crashed, Ending, Finished, Killed
from greenroom.runtime.directory import Address, Directory, DirectoryFull
from greenroom.runtime.errors import (
    ActorCrashed,
    ActorStopped,
    MailboxFull,
    NotAccepted,
    Refusal,
    RuntimeFault,
    StartFailed,
)
from greenroom.runtime.message import Message, Request, Subscription
from greenroom.runtime.ref import OpenStream, Recipient, Ref
from greenroom.runtime.reply import ReplyPort, ReplyStream, StreamPort
from greenroom.runtime.system import System

__all__ = [
    "Actor",
    "ActorCrashed",
    "ActorStopped",
    "Address",
    "Crashed",
    "Directory",
    "DirectoryFull",
    "Ending",
    "Finished",
    "Killed",
    "MailboxFull",
    "Message",
    "NotAccepted",
    "OpenStream",
    "Recipient",
    "Ref",
    "Refusal",
    "ReplyPort",
    "ReplyStream",
    "Request",
    "RuntimeFault",
    "StartFailed",
    "StreamPort",
    "Subscription",
    "System",
]
