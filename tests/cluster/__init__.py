"""Tests on a real Kubernetes cluster, and the cluster that they bring up where there is none."""
