/* Compiles, but nothing defines the function. */
int defined_nowhere(void);

int main(void) {
    return defined_nowhere();
}
