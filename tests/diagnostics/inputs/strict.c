int f(int given) { int never; return 0; }
