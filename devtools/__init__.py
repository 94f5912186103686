"""What development needs and production does not: `make run`, a MongoDB of our own, demo data.

The container image does not contain it, and no room of the service may import it. Its commands (`quickstart`,
`load_demo_data`, `collect_messages`) exist under the settings of development and tests alone.
"""
