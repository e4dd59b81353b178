"""Recorded steps and runs made again with today's code, and how that decides about them."""

from xray.model.replay import Replay
from xray.replaying.performing import perform, replay
from xray.replaying.requests import ReplayRequest

__all__ = ["Replay", "ReplayRequest", "perform", "replay"]
