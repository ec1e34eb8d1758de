"""Kubernetes built from its Go modules, with several nodes on this machine.

Every node has its own network, mount and process namespaces, and its own containerd, kubelet and kube-proxy: its cable
can be cut, and its power, for real. No packet leaves the machine.
"""
