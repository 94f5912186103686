"""How the service is served: gunicorn's and nginx's configuration, and what surrounds each request."""
