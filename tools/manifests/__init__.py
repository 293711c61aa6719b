"""The manifests of deploy/k8s, rendered as `kubectl apply -k` does it and held against the API's schemas and a linter's
rules: `python -m tools.manifests`, a line of `make check`."""
