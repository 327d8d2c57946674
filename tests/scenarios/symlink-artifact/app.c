/* The program is honest; the links that the Makefile puts beside it are not. */
int main(void) {
    return 0;
}
