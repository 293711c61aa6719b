"""A stand-in for WeChat Pay API v3, the mini-program server API and two SMS providers.

Nothing of the project is imported here and nothing of the project imports this package: services reach it over HTTP,
exactly as they reach the real providers. See ``README.md`` in this folder.
"""
