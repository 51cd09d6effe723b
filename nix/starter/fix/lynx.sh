afterBuild() { wrap bin/lynx "export LYNX_CFG=\"\${LYNX_CFG-$out/etc/lynx/lynx.cfg}\""; }
