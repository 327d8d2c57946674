/* One error, on line 4. */

int main(void) {
    return undeclared;
}
