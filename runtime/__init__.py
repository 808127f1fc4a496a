"""The actor kernel: actors, mailboxes, refs, streams, and the tree that they live in.

It knows nothing of agents, models or HTTP, and is of use by itself.
"""

from greenroom.runtime.actor import Actor
from greenroom.runtime.directory import Address, Directory, DirectoryFull
from greenroom.runtime.ending import Crashed, Ending, Finished, Killed
from greenroom.runtime.errors import (
    ActorCrashed,
    ActorStopped,
    MailboxFull,
    NotAccepted,
    Refusal,
    RestartLimit,
    RuntimeFault,
    StartFailed,
)
from greenroom.runtime.message import Message, Request, Subscription
from greenroom.runtime.observe import (
    Counts,
    DeadLetter,
    Ended,
    Event,
    Events,
    Missed,
    Passivated,
    Restarting,
    Started,
)
from greenroom.runtime.ref import OpenStream, Recipient, Ref
from greenroom.runtime.reply import ReplyPort, ReplyStream, StreamPort
from greenroom.runtime.supervision import Backoff, Permanent, Policy, Strategy, Temporary, Transient
from greenroom.runtime.system import System
from greenroom.runtime.tree import Node, State

__all__ = [
    "Actor",
    "ActorCrashed",
    "ActorStopped",
    "Address",
    "Backoff",
    "Counts",
    "Crashed",
    "DeadLetter",
    "Directory",
    "DirectoryFull",
    "Ended",
    "Ending",
    "Event",
    "Events",
    "Finished",
    "Killed",
    "MailboxFull",
    "Message",
    "Missed",
    "Node",
    "NotAccepted",
    "OpenStream",
    "Passivated",
    "Permanent",
    "Policy",
    "Recipient",
    "Ref",
    "Refusal",
    "ReplyPort",
    "ReplyStream",
    "Request",
    "RestartLimit",
    "Restarting",
    "RuntimeFault",
    "StartFailed",
    "Started",
    "State",
    "Strategy",
    "StreamPort",
    "Subscription",
    "System",
    "Temporary",
    "Transient",
]
