# Does for a test what systemd does with a socket unit (sd_listen_fds(3)): listens on 127.0.0.1, hands
# the socket over as descriptor 3, and starts the program again when it has ended. SIGHUP restarts it,
# SIGTERM ends both. perl-base is on every Debian.
use strict;
use warnings;
use POSIX ();
use Socket;

# Descriptors stay open in the program.
$^F = 255;
my ($port, @command) = @ARGV;
socket(my $listening, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
setsockopt($listening, SOL_SOCKET, SO_REUSEADDR, 1);
bind($listening, sockaddr_in($port, INADDR_LOOPBACK)) or die "bind: $!";
listen($listening, 1024) or die "listen: $!";

my ($child, $over) = (0, 0);
$SIG{HUP} = sub { kill 'TERM', $child };
$SIG{TERM} = sub { $over = 1; kill 'TERM', $child };
until ($over) {
    $child = fork();
    if ($child == 0) {
        POSIX::dup2(fileno($listening), 3);
        @ENV{'LISTEN_FDS', 'LISTEN_PID'} = (1, $$);
        exec @command or die "exec: $!";
    }
    while (waitpid($child, 0) != $child) { }
}
