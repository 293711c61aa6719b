"""The system on a Kubernetes cluster: its Secrets, and the trial that deploy/k8s/try runs."""
