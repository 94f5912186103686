FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    DJANGO_SETTINGS_MODULE=orders_project.settings.production \
    BIND_HOST=0.0.0.0 \
    PORT=8001

WORKDIR /app
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin app

COPY requirements/base.txt requirements/constraints.txt requirements/production.txt requirements/
RUN pip install -r requirements/production.txt

COPY manage.py pyproject.toml ./
COPY integrations integrations
COPY locale locale
COPY observability observability
COPY orders orders
COPY orders_project orders_project
COPY templates templates

# Production settings refuse to start without these; none of the values stays in the image.
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_hex(32))')" \
    MONGODB_URI=mongodb://nowhere \
    USER_SERVICE_URL=http://nowhere \
    PRODUCT_SERVICE_URL=http://nowhere \
    INVENTORY_SERVICE_URL=http://nowhere \
    ALLOWED_HOSTS=nowhere \
    python manage.py collectstatic --no-input \
    && python -m compileall -q .

USER 10001
EXPOSE 8001
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-m", "orders_project.web.healthcheck"]
CMD ["python", "-m", "gunicorn", "-c", "python:orders_project.web.gunicorn_conf"]
