"""The table of peers: every one a small function behind the same interface."""

from __future__ import annotations

from typing import Final

from . import _conic, _l1, _package, _smooth, _training
from ._peer import Answer, Peer

__all__ = ["PEERS", "Answer", "Peer", "find_peer"]

PEERS: Final = (*_package.PEERS, *_conic.PEERS, *_smooth.PEERS, *_l1.PEERS, *_training.PEERS)


def find_peer(name: str) -> Peer:
    """The peer of this name; KeyError if there is none."""
    return {peer.name: peer for peer in PEERS}[name]
