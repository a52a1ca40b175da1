"""What the operator's commands do: everything that talks to a Kubeflow server or to Kubernetes.

Only modules of this package import KFP's client.
"""
