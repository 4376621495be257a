"""For those who write plug-ins: conformance suites over every kind, fault plans and the swarm simulator.

Needs pytest, and Hypothesis for some suites.
"""
