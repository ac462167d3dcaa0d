// SPDX-License-Identifier: MIT
/* near A B TOLERANCE: are two files of float32 the same within that? Says how far they are apart. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	FILE *a, *b;
	double worst = 0, size = 0;
	size_t n = 0;
	float x, y;
	int more;

	if (argc != 4) {
		fprintf(stderr, "near A B TOLERANCE\n");
		return 2;
	}
	a = fopen(argv[1], "rb");
	b = fopen(argv[2], "rb");
	if (!a || !b) {
		perror(a ? argv[2] : argv[1]);
		return 2;
	}
	while (fread(&x, 4, 1, a) == 1 && fread(&y, 4, 1, b) == 1) {
		double d = fabs((double)x - y);

		worst = d <= worst ? worst : isnan(d) ? INFINITY : d;
		size = fmax(size, fabs(y));
		n++;
	}
	more = fgetc(a) != EOF || fgetc(b) != EOF;
	printf("# %zu numbers of up to %.2g, off by %.2g%s\n", n, size, worst, more ? ", and one file has more" : "");
	fclose(a);
	fclose(b);
	return more || !n || !(worst <= atof(argv[3]));
}
