afterBuild() { wrap bin/figlet-figlet "export FIGLET_FONTDIR=\"\${FIGLET_FONTDIR-$out/share/figlet}\""; }
