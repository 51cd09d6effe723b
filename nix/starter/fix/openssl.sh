afterBuild() { wrap bin/openssl "export OPENSSL_CONF=\"\${OPENSSL_CONF-$out/etc/ssl/openssl.cnf}\""; }
