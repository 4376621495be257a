"""A cluster on one machine for Ray's own launcher and autoscaler: every node is a group of processes on a loopback address.

``ray up``, both autoscalers and ``ray down`` run as they do in a cloud; only the machines are made up. Meant for watching
autoscaling on a laptop (``examples/cluster_one_machine.yaml``) and for testing a cluster's file before it costs money. In a
cluster file::

    provider:
      type: external
      module: tuner.cluster.provider.one_machine.OneMachineProvider
"""
