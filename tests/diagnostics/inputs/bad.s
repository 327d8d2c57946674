    .text
    nosuchinstruction %x
