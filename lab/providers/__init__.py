"""How machines come to be: `nspawn` containers and `vagrant` virtual machines behind one interface."""
