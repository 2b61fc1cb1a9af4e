#include <lib/printf.h>
#include <lib/symbols.h>

/* The generated table: symbol_count entries in rising order of address. */
extern const uint32_t symbol_count;
extern const uint64_t symbol_base;
extern const uint32_t symbol_offsets[]; /* from symbol_base */
extern const uint32_t symbol_sizes[];   /* 0: up to the next symbol */
extern const uint32_t symbol_names[];   /* offsets into symbol_strings */
extern const char symbol_strings[];

bool symbol_lookup(uint64_t addr, struct symbol *out)
{
    if (addr < symbol_base)
        return false;

    uint64_t offset = addr - symbol_base;
    uint32_t low = 0, high = symbol_count;

    /* Invariant: every entry below low starts at or before offset, every one from high on after. */
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (symbol_offsets[mid] <= offset)
            low = mid + 1;
        else
            high = mid;
    }
    if (!low)
        return false;

    uint32_t i = low - 1;
    uint64_t size = symbol_sizes[i];

    if (!size && i + 1 < symbol_count)
        size = symbol_offsets[i + 1] - symbol_offsets[i];
    if (offset - symbol_offsets[i] >= size)
        return false;

    out->name = symbol_strings + symbol_names[i];
    out->start = symbol_base + symbol_offsets[i];
    out->size = size;
    return true;
}

bool symbol_by_index(uint32_t index, struct symbol *out)
{
    if (index >= symbol_count)
        return false;
    out->name = symbol_strings + symbol_names[index];
    out->start = symbol_base + symbol_offsets[index];
    out->size = symbol_sizes[index];
    return true;
}

const char *symbol_format(char *buf, size_t size, uint64_t addr)
{
    struct symbol sym;

    /* A call that does not return may be a function's last instruction: it "returns" to its end. */
    if (symbol_lookup(addr, &sym) || symbol_lookup(addr - 1, &sym))
        snprintf(buf, size, "%s+%#llx/%#llx", sym.name, (unsigned long long)(addr - sym.start),
                 (unsigned long long)sym.size);
    else
        snprintf(buf, size, "%#llx", (unsigned long long)addr);
    return buf;
}
