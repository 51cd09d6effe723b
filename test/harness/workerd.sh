#!/bin/sh
# Stands between Miniflare and workerd (MINIFLARE_WORKERD_PATH). In a session of its own, so that
# Ctrl-C reaches only the parent, which then stops things in order; and with a parent-death signal, so
# that even `kill -9` of the parent leaves no workerd behind (Linux: prctl(2), PR_SET_PDEATHSIG; setsid
# and setpriv come with util-linux).
exec setsid setpriv --pdeathsig KILL -- "$FIRN_WORKERD" "$@"
