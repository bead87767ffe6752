"""Recordings of event cameras and artificial ears as torch data sets; files are the user's, nothing is downloaded."""

from rheobase.learn.events.aedat import AedatFile
from rheobase.learn.events.dataset import EventDataset, time_first
from rheobase.learn.events.events import Events
from rheobase.learn.events.gesture import DVSGesture
from rheobase.learn.events.heidelberg import SHD, SSC
from rheobase.learn.events.nmnist import NMNIST, read_bin

__all__ = ["NMNIST", "SHD", "SSC", "AedatFile", "DVSGesture", "EventDataset", "Events", "read_bin", "time_first"]
