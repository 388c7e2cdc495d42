ARG BASE
FROM ${BASE}
USER 0
ARG SOURCE_DATE_EPOCH=315532800
RUN --mount=type=secret,id=sources,target=/run/secrets/sources --mount=type=secret,id=apt.conf,target=/run/secrets/apt.conf --mount=type=secret,id=ca.pem,target=/run/secrets/ca.pem \
    mkdir -p /etc/initramfs-tools/conf.d \
 && printf 'MODULES=most\nCOMPRESS=zstd\nCOMPRESSLEVEL=3\nRESUME=none\n' >/etc/initramfs-tools/conf.d/workshop \
 && export INITRD=No \
 && \
    export DEBIAN_FRONTEND=noninteractive APT_CONFIG=/run/secrets/apt.conf \
 && . /etc/os-release \
 && sed "s/@SUITE@/${VERSION_CODENAME:-}/g" /run/secrets/sources >/tmp/sources.list \
 && if [ "$ID" = debian ] && [ -s /tmp/sources.list ]; \
    then set -- -o Dir::Etc::sourcelist=/tmp/sources.list -o Dir::Etc::sourceparts=/dev/null; \
    fi \
 && apt-get -qq "$@" update \
 && apt-get -qq "$@" install --yes --no-install-recommends \
      dbus \
      initramfs-tools \
      iproute2 \
      kmod \
      linux-image-amd64 \
      openssh-server \
      systemd-resolved \
      systemd-sysv \
      systemd-timesyncd \
      udev \
      zstd \
 && update-initramfs -c -k all \
 && ln -sf "boot/initrd.img-$(readlink /vmlinuz | sed 's|^boot/vmlinuz-||')" /initrd.img \
 && rm -f /*.old \
 && printf 'L+! /etc/resolv.conf - - - - ../run/systemd/resolve/stub-resolv.conf\n' >/etc/tmpfiles.d/workshop-resolv.conf \
 && usermod --lock root \
 && systemctl set-default multi-user.target \
 && systemctl enable systemd-networkd.service systemd-resolved.service \
 && systemctl mask apt-daily.timer apt-daily-upgrade.timer \
 && rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub /var/lib/systemd/random-seed /var/lib/dbus/machine-id \
 && apt-get clean \
 && rm -rf /tmp/* /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/* /var/lib/dpkg/*-old \
 && find /var/log -type f -delete \
 && : >/etc/machine-id
