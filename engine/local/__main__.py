import sys

from engine.local.daemon import main

sys.exit(main())
