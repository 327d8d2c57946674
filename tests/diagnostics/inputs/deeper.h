static int deep(void)
{
    unsigned big = 3;
    int small = -1;
    return big > small;
}
