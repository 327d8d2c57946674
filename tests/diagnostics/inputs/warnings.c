#include <stdio.h>
#include "chain.h"

static int unused(int given)
{
    int never;
    printf("%s\n", given);
    return 0;
}

int main(void) { return deep() }
