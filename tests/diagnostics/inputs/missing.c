#include <not/there.h>
int main(void) { return 0; }
