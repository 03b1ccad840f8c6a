FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/fhir-lab
COPY pyproject.toml constraints.txt README.md ./
COPY fhir_lab fhir_lab
COPY mappers mappers
COPY conformance conformance
COPY migrations migrations
RUN /opt/fhir-lab/bin/pip install --no-cache-dir --disable-pip-version-check '.[flower]' --constraint constraints.txt

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /var/lib/fhir-lab fhir-lab \
    && install --directory --owner fhir-lab --mode 0750 /var/lib/fhir-lab /srv/fhir-lab
COPY --from=build /opt/fhir-lab /opt/fhir-lab
ENV PATH=/opt/fhir-lab/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FHIR_LAB_VAR=/var/lib/fhir-lab \
    FHIR_LAB_INBOX=/srv/fhir-lab/inbox
USER fhir-lab
WORKDIR /var/lib/fhir-lab
VOLUME ["/var/lib/fhir-lab", "/srv/fhir-lab"]
EXPOSE 8000
CMD ["fhir-lab", "serve", "--migrate", "--host", "0.0.0.0"]
