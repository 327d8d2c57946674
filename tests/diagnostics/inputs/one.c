int shared = 1;
int absent(void);
int main(void) { return absent() + absent(); }
