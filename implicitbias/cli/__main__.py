"""``python -m implicitbias.cli``."""

from . import main

raise SystemExit(main())
