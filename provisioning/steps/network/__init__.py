"""The network: which port is for people, which for cameras, their addresses, and who may reach the box.

Objective: an installer who makes a mistake is back after a minute, without a screwdriver.
Invariants: nothing lasts that was not confirmed; the same answers a second time change nothing; an empty
list of ports leaves the network as it is.
Non-goals: what ``appliance.system.network`` does not do (IPv6 by hand, bonds, Wi-Fi).
Read next: ``step``, ``sentences`` (the plan in words), ``wall`` (the firewall's part), ``look`` (the checks).
"""

from provisioning.steps.network.step import Network

__all__ = ["Network"]
