#!/usr/bin/env bash
# Tables that haven (ReadStat) writes for Stata, SPSS and SAS, and reads again.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
mkdir packages unpacked
(
  cd packages
  named=(r-base-core=4.2.2.20221110-2 r-cran-haven=2.5.1-1) # of Debian 12
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
for (name in c("haven")) cat(name, as.character(packageVersion(name)), "\n")
END
R versions.R
cat >expected <<'END'
remarks: late, and two rows without
  Stata: "late", "", ""
  SPSS: "late", "", ""
  SAS transport: "late"
levels low, high, low
  Stata: 1, 2, 1 labelled low and high
  SPSS: 1, 2, 1 labelled low and high
  SAS transport: 1, 2, 1
scores 1, 2 and -99, which SPSS calls missing
  Stata: 1, 2, -99
  SPSS: 1, 2, missing
  SAS transport: 1, 2, -99
missing for two reasons, a and z
  Stata: 1, missing, missing
  SPSS: it is refused
  SAS transport: it is refused
noon in Berlin
  Stata: 2020-01-01 12:00:00 UTC
  SPSS: 2020-01-01 12:00:00 UTC
  SAS transport: 2020-01-01 12:00:00 UTC
36.5 hours
  Stata: 36.5
  SPSS: 36.5
  SAS transport: 36.5
an hour, a minute and a half second
  Stata: 3661.5
  SPSS: 3661.5 secs
  SAS transport: 3661.5 secs
1e300, 1e-300
  Stata: 1e+300, 1e-300
  SPSS: 1e+300, 1e-300
  SAS transport: Inf, 0
NaN, infinity
  Stata: missing, missing
  SPSS: missing, missing
  SAS transport: missing, missing
codes of two letters and a blank
  Stata: " a", "a", "a"
  SPSS: " a", "a", "a"
  SAS transport: " a", "a", "a"
END
cat >look.R <<'END'
suppressMessages(library(haven))
text <- function(x) paste(ifelse(is.na(x), "missing", if (is.character(x)) dQuote(x, FALSE) else format(x, digits = 15, trim = TRUE)), collapse = ", ")
shown <- function(x) {
  if (is.labelled(x)) return(paste0(text(unclass(as.vector(x))), " labelled ", paste(names(attr(x, "labels")), collapse = " and ")))
  if (inherits(x, "POSIXct")) return(paste(format(x, "%Y-%m-%d %H:%M:%S"), attr(x, "tzone"), collapse = ", "))
  if (inherits(x, "difftime")) return(paste(text(unclass(as.vector(x))), units(x)))
  text(as.vector(x))
}
again <- function(label, x) {
  cat(label, "\n", sep = "")
  table <- data.frame(x = x)
  for (kind in c("Stata", "SPSS", "SAS transport")) {
    found <- tryCatch({
      path <- "made"
      switch(kind, "Stata" = write_dta(table, path), "SPSS" = write_sav(table, path), write_xpt(table, path))
      shown(switch(kind, "Stata" = read_dta(path), "SPSS" = read_sav(path), read_xpt(path))$x)
    }, error = function(e) "it is refused")
    cat("  ", kind, ": ", found, "\n", sep = "")
  }
}
again("remarks: late, and two rows without", c("late", "", NA))
again("levels low, high, low", factor(c("low", "high", "low"), levels = c("low", "high")))
again("scores 1, 2 and -99, which SPSS calls missing", labelled_spss(c(1, 2, -99), na_values = -99))
again("missing for two reasons, a and z", c(1, tagged_na("a"), tagged_na("z")))
again("noon in Berlin", as.POSIXct("2020-01-01 12:00:00", tz = "Europe/Berlin"))
again("36.5 hours", as.difftime(36.5, units = "hours"))
again("an hour, a minute and a half second", hms::hms(3661.5))
again("1e300, 1e-300", c(1e300, 1e-300))
again("NaN, infinity", c(NaN, Inf))
again("codes of two letters and a blank", c(" a", "a ", "a"))
END
R look.R >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
