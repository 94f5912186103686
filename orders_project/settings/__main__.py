"""`python -m orders_project.settings`: load the settings that DJANGO_SETTINGS_MODULE names, and the backends in them.

Exit code 0 if the service starts with them; EXIT_CODE, after a list on stderr, if it does not.
"""

from orders_project.settings.refusal import load_settings, refusal_told, require_backends

if __name__ == "__main__":
    with refusal_told():
        load_settings()
        require_backends()
