"""confd 0.16.0, written anew: files made from templates and what etcd says, kept true."""
