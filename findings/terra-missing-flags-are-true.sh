#!/usr/bin/env bash
# Rasters and tables of points that terra and sf of R write, and read again.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
mkdir packages unpacked
(
  cd packages
  named=(r-base-core=4.2.2.20221110-2 r-cran-terra=1.7-3-1 r-cran-sf=1.0-9+dfsg-1+b1) # of Debian 12
  missing=$(apt-get -s install --no-install-recommends "${named[@]}" 2>/dev/null | awk '/^Inst/ { print $2 }')
  for package in "${named[@]}" $missing; do echo "$package"; done | sort -t= -u -k1,1 >list
  xargs apt-get download -qq <list >/dev/null 2>&1 || { echo "Debian's packages are not here" >&2; exit 1; }
  for package in *.deb; do dpkg -x "$package" ../unpacked; done
  rm ./*.deb
)
root=$tmp/unpacked
libraries=$root/usr/lib/x86_64-linux-gnu
export R_HOME=$root/usr/lib/R R_SHARE_DIR=$root/usr/share/R/share R_LIBS_SITE=$root/usr/lib/R/site-library LC_ALL=C.UTF-8 TZ=UTC
export PROJ_DATA=$root/usr/share/proj PROJ_LIB=$root/usr/share/proj GDAL_DATA=$root/usr/share/gdal
export LD_LIBRARY_PATH=$R_HOME/lib:$libraries:$root/usr/lib:$root/lib/x86_64-linux-gnu:$libraries/blas:$libraries/lapack
cp --remove-destination "$root"/etc/R/* "$R_HOME/etc/"
cp --remove-destination "$R_HOME/etc/Renviron.ucf" "$R_HOME/etc/Renviron"
R() { "$R_HOME/bin/exec/R" --no-echo --vanilla -f "$1"; }
cat >versions.R <<'END'
cat(R.version.string, "\n")
for (name in c("terra", "sf")) cat(name, as.character(packageVersion(name)), "\n")
END
R versions.R
cat >write.R <<'END'
suppressWarnings(suppressMessages({library(terra); library(sf)}))
options(digits = 17)
shown <- function(x) paste(ifelse(is.na(x), "missing", trimws(format(x, digits = 10))), collapse = " ")
grid <- function(values) {
  found <- rast(nrows = 1, ncols = length(values), xmin = 0, xmax = length(values), ymin = 0, ymax = 1, crs = "EPSG:4326")
  values(found) <- values
  found
}
cat("rasters by terra\n")
for (kind in c("", "FLT8S", "INT4S", "INT2U", "INT1U")) {
  values <- if (kind == "INT1U") c(0, 254, 255) else if (kind == "INT2U") c(0, 65534, 65535) else c(123456789, 16777217, 5)
  if (kind == "") writeRaster(grid(values), "made.tif", overwrite = TRUE) else writeRaster(grid(values), "made.tif", overwrite = TRUE, datatype = kind)
  found <- rast("made.tif")
  cat(" ", if (kind == "") "as it is by default" else kind, shown(values), "is", shown(values(found)[, 1]), "\n")
}
cat("  the larger of 1 2 and missing 5:", shown(values(max(grid(c(1, 2)), grid(c(NA, 5))))[, 1]), "\n")
table <- data.frame(
  id = c(12345678901, 5), at = as.POSIXct(c("2026-01-31 12:30:15", "2026-06-30 18:00:00"), tz = "Europe/Berlin"),
  day = as.Date(c("2026-01-31", NA)), checked = c(FALSE, NA)
)
cat("points: id", shown(table$id), "; at 12:30:15 and 18:00:00 in Berlin; day 2026-01-31 and missing; checked FALSE and missing\n")
told <- function(found) paste(sapply(c("id", "at", "day", "checked"), function(name) {
  column <- found[[name]]
  paste(name, if (inherits(column, "POSIXct")) paste(ifelse(is.na(column), "missing", format(column, "%d %b %H:%M:%S", tz = "UTC")), collapse = " ") else shown(as.character(column)))
}), collapse = "; ")
for (driver in c("GPKG", "GeoJSON", "ESRI Shapefile")) {
  path <- c(GPKG = "made.gpkg", GeoJSON = "made.json", "ESRI Shapefile" = "made.shp")[[driver]]
  for (by in c("terra", "sf")) {
    unlink(path)
    found <- suppressWarnings({
      if (by == "terra") {
        writeVector(vect(cbind(x = c(1, 5), y = c(2, 6)), atts = table, crs = "EPSG:4326"), path, filetype = driver, overwrite = TRUE)
        as.data.frame(vect(path))
      } else {
        st_write(st_sf(table, geometry = st_sfc(st_point(c(1, 2)), st_point(c(5, 6)), crs = 4326)), path, driver = driver, quiet = TRUE, delete_dsn = TRUE)
        st_drop_geometry(st_read(path, quiet = TRUE))
      }
    })
    cat(" ", driver, "by", by, ":", told(found), "\n")
  }
}
END
cat >expected <<'END'
rasters by terra
  as it is by default 123456789 16777217 5 is 123456792 16777216 5 
  FLT8S 123456789 16777217 5 is 123456789 16777217 5 
  INT4S 123456789 16777217 5 is 123456789 16777217 5 
  INT2U 0 65534 65535 is 0 65534 missing 
  INT1U 0 254 255 is 0 254 missing 
  the larger of 1 2 and missing 5: missing 5 
points: id 12345678901 5 ; at 12:30:15 and 18:00:00 in Berlin; day 2026-01-31 and missing; checked FALSE and missing
  GPKG by terra : id 12345678901 5; at 1769859015 1782835200; day 1769817600 missing; checked FALSE TRUE 
  GPKG by sf : id 12345678901 5; at 31 Jan 11:30:15 30 Jun 16:00:00; day 2026-01-31 missing; checked FALSE missing 
  GeoJSON by terra : id 12345678901 5; at 1769859015 1782835200; day 1769817600 ; checked FALSE TRUE 
  GeoJSON by sf : id 12345678901 5; at 31 Jan 11:30:15 30 Jun 16:00:00; day 2026-01-31 missing; checked FALSE missing 
  ESRI Shapefile by terra : id 12345678901 5; at 1769859015 1782835200; day 1769817600 missing; checked 0 1 
  ESRI Shapefile by sf : id 12345678901 5; at 2026-01-31 2026-06-30; day 2026-01-31 missing; checked 0 missing 
END
R write.R >seen 2>errors || { tail -n 5 errors; exit 1; }
cat seen
diff expected seen || { echo "it is no longer so" >&2; exit 1; }
