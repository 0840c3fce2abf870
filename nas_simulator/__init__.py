"""Simulated access servers that speak the RouterOS API and the RouterOS console over SSH.

Written from RouterOS's public documentation and observed texts, independently of the clients that are tested against it.
"""

from nas_simulator.faults import Faults
from nas_simulator.journal import Journal, Operation
from nas_simulator.refusals import Refusal
from nas_simulator.router import Router
from nas_simulator.runner import run_forever
from nas_simulator.simulated_nas import SimulatedNas

__all__ = ["Faults", "Journal", "Operation", "Refusal", "Router", "SimulatedNas", "run_forever"]
