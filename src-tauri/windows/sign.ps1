# Signs one file with the certificate that the release workflow has put there. The bundler calls it for everything that
# Windows judges: the program, the uninstaller and the installer.
param([Parameter(Mandatory)] [string] $File)
$ErrorActionPreference = "Stop"
$certificate = Join-Path $env:RUNNER_TEMP "certificate.pfx"
$tool = Get-ChildItem "C:/Program Files (x86)/Windows Kits/10/bin/*/x64/signtool.exe" | Sort-Object FullName | Select-Object -Last 1
if ($null -eq $tool) { throw "no signtool on this machine" }
& $tool.FullName sign /f $certificate /p $env:WINDOWS_CERTIFICATE_PASSWORD /fd sha256 /tr http://timestamp.digicert.com /td sha256 $File
if ($LASTEXITCODE -ne 0) { exit 1 }
