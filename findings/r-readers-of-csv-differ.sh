#!/usr/bin/env bash
# One column of a CSV file, read by base R, readr and data.table, each left to find out its type; and times that they write.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
mkdir packages unpacked
(
  cd packages
  named=(r-base-core=4.2.2.20221110-2 r-cran-readr=2.1.4-1 r-cran-data.table=1.14.8+dfsg-1) # of Debian 12
  missing=$(apt-get -s install --no-install-recommends "${named[@]}" 2>/dev/null | awk '/^Inst/ { print $2 }')
  for package in "${named[@]}" $missing; do echo "$package"; done | sort -t= -u -k1,1 >list
  xargs apt-get download -qq <list >/dev/null 2>&1 || { echo "Debian's packages of R are not here" >&2; exit 1; }
  for package in *.deb; do dpkg -x "$package" ../unpacked; done
  rm ./*.deb
)
export R_HOME=$tmp/unpacked/usr/lib/R R_SHARE_DIR=$tmp/unpacked/usr/share/R/share R_LIBS_SITE=$tmp/unpacked/usr/lib/R/site-library LC_ALL=C.UTF-8 TZ=UTC
export LD_LIBRARY_PATH=$R_HOME/lib:$tmp/unpacked/usr/lib/x86_64-linux-gnu:$tmp/unpacked/usr/lib/x86_64-linux-gnu/blas:$tmp/unpacked/usr/lib/x86_64-linux-gnu/lapack
cp --remove-destination "$tmp"/unpacked/etc/R/* "$R_HOME/etc/"
cp --remove-destination "$R_HOME/etc/Renviron.ucf" "$R_HOME/etc/Renviron"
R() { "$R_HOME/bin/exec/R" --no-echo --vanilla -f "$1"; }
cat >versions.R <<'END'
cat(R.version.string, "\n")
for (name in c("readr", "data.table")) cat(name, as.character(packageVersion(name)), "\n")
END
R versions.R
cat >expected <<'END'
1,5 | 2,25: base 1,5 and 2,25; readr 15 and 225; data.table 1,5 and 2,25 
1 | 1,5: base 1 and 1,5; readr 1 and 15; data.table 1 and 1,5 
1D5 | 2D7: base 1D5 and 2D7; readr 1e+05 and 2e+07; data.table 1D5 and 2D7 
1L | 2L: base 1L and 2L; readr 1 and 2; data.table 1L and 2L 
0x1F | 0xA: base 31 and 10; readr 0x1F and 0xA; data.table 0x1F and 0xA 
1i | 2i: base 0+1i and 0+2i; readr 1i and 2i; data.table 1i and 2i 
T | F: base TRUE and FALSE; readr TRUE and FALSE; data.table T and F 
true | FALSE: base true and FALSE; readr TRUE and FALSE; data.table true and FALSE 
007 | 008: base 7 and 8; readr 007 and 008; data.table 7 and 8 
1E5 | 2E7: base 1e+05 and 2e+07; readr 1e+05 and 2e+07; data.table 1e+05 and 2e+07 
9007199254740993 | 3: base 9007199254740992 and 3; readr 9007199254740992 and 3; data.table 9007199254740993 and 3 
1e-320 | 1: base 9.99988867182683e-321 and 1.00000000000000e+00; readr 1e-307 and 1e+00; data.table 9.99988867182683e-321 and 1.00000000000000e+00 
nan | 1: base NaN and 1; readr NaN and 1; data.table NaN and 1 
 a | a : base  a and a ; readr  a and a ; data.table a and a 
"" | x: base  and x; readr missing and x; data.table  and x 
2021-01-31 | 2021-02-30: base 2021-01-31 and 2021-02-30; readr 2021-01-31 and missing; data.table 2021-01-31 and 2021-02-30 
12:30 | 08:15: base 12:30 and 08:15; readr 12:30:00 and 08:15:00; data.table 12:30 and 08:15 
NA | DE: base missing and DE; readr missing and DE; data.table missing and DE 
written by base: "time","x","name","large" | 2020-01-01 12:00:00,0.3,"",123456789012345680 | NA,NA,NA,1e+05
written by readr: time,x,name,large | 2020-01-01T11:00:00Z,0.30000000000000004,,123456789012345680 | NA,NA,NA,100000
written by data.table: time,x,name,large | 2020-01-01T11:00:00.750Z,0.3,"",123456789012346000 | ,,,1e+05
END
cat >look.R <<'END'
suppressMessages({
  library(bit64)
  library(readr)
  library(data.table)
})
text <- function(x) {
  values <- if (is.integer64(x)) trimws(as.character(x)) else if (is.numeric(x)) format(x, digits = 16, trim = TRUE) else as.character(x)
  paste0(ifelse(is.na(x) & !is.nan(x), "missing", values), collapse = " and ")
}
columns <- list(
  c("1,5", "2,25"), c("1", "1,5"), c("1D5", "2D7"), c("1L", "2L"), c("0x1F", "0xA"), c("1i", "2i"), c("T", "F"), c("true", "FALSE"), c("007", "008"), c("1E5", "2E7"),
  c("9007199254740993", "3"), c("1e-320", "1"), c("nan", "1"), c(" a", "a "), c("\"\"", "x"), c("2021-01-31", "2021-02-30"), c("12:30", "08:15"), c("NA", "DE")
)
for (column in columns) {
  writeLines(c("x;n", paste0(column, ";1")), "made.csv")
  cat(column, sep = " | ")
  cat(": base", text(read.csv("made.csv", sep = ";")$x))
  cat("; readr", text(suppressWarnings(read_delim("made.csv", ";", show_col_types = FALSE, progress = FALSE))$x))
  cat("; data.table", text(fread("made.csv", sep = ";")$x), "\n")
}
table <- data.frame(
  time = as.POSIXct(c("2020-01-01 12:00:00.75", NA), tz = "Europe/Berlin"), x = c(0.1 + 0.2, NaN), name = c("", NA), large = c(123456789012345678, 1e5)
)
write.csv(table, "base.csv", row.names = FALSE)
write_csv(table, "readr.csv")
fwrite(table, "data.table.csv")
for (writer in c("base", "readr", "data.table")) cat("written by ", writer, ": ", paste(readLines(paste0(writer, ".csv")), collapse = " | "), "\n", sep = "")
END
R look.R >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
