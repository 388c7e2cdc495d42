ARG BASE
FROM ${BASE}
USER 0
ARG SOURCE_DATE_EPOCH=315532800
RUN --mount=type=secret,id=sources,target=/run/secrets/sources --mount=type=secret,id=apt.conf,target=/run/secrets/apt.conf --mount=type=secret,id=ca.pem,target=/run/secrets/ca.pem \
    export DEBIAN_FRONTEND=noninteractive APT_CONFIG=/run/secrets/apt.conf \
 && . /etc/os-release \
 && sed "s/@SUITE@/${VERSION_CODENAME:-}/g" /run/secrets/sources >/tmp/sources.list \
 && if [ "$ID" = debian ] && [ -s /tmp/sources.list ]; \
    then set -- -o Dir::Etc::sourcelist=/tmp/sources.list -o Dir::Etc::sourceparts=/dev/null; \
    fi \
 && apt-get -qq "$@" update \
 && apt-get -qq "$@" install --yes --no-install-recommends \
      ca-certificates \
      python3 \
      python3-venv \
 && apt-get clean \
 && rm -rf /tmp/* /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/* /var/lib/dpkg/*-old \
 && find /var/log -type f -delete \
 && : >/etc/machine-id
RUN if getent passwd 1000 >/dev/null; \
    then usermod --login workshop --gid 100 --home /home/workshop --move-home "$(getent passwd 1000 | cut -d: -f1)"; \
    else useradd --uid 1000 --gid 100 --home-dir /home/workshop --create-home --shell /bin/bash workshop; \
    fi \
 && mkdir -p /home/workshop \
 && chown 1000:100 /home/workshop \
 && chmod 0775 /home/workshop \
 && usermod --lock workshop \
 && usermod --lock root \
 && rm -f /etc/passwd- /etc/shadow- /etc/group- /etc/gshadow- /etc/subuid- /etc/subgid- /var/log/lastlog /var/log/faillog
RUN --mount=type=secret,id=pip.conf,target=/run/secrets/pip.conf --mount=type=secret,id=ca.pem,target=/run/secrets/ca.pem \
    export PIP_CONFIG_FILE=/run/secrets/pip.conf \
 && python3 -m venv /opt/workshop/venv \
 && /opt/workshop/venv/bin/python -m pip install --quiet --no-cache-dir --no-compile --disable-pip-version-check \
      jupyterlab \
 && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/workshop/venv/lib \
 && rm -rf /root/.cache /tmp/*
ENV PATH=/opt/workshop/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
