static const char *spelling = "plain";
