package containers

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/moby/moby/api/types/container"
	dockernetwork "github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	tcexec "github.com/testcontainers/testcontainers-go/exec"
	"github.com/testcontainers/testcontainers-go/log"
	"github.com/testcontainers/testcontainers-go/network"

	"github.com/babelon/babelon/tests/stack"
)

// image is what every container runs. Docker keeps it, and builds it anew when the Dockerfile changes.
const image = "babelon-stack:latest"

// docker is what one stack has in Docker.
type docker struct {
	label      string // of all of it, with the stack's folder as the value
	network    *testcontainers.DockerNetwork
	containers sync.Map // of *testcontainers.DockerContainer, by name
}

// sweep removes everything with the label $0 from Docker.
const sweep = `docker ps --all --quiet --filter label="$0" | xargs --no-run-if-empty docker rm --force --volumes
	docker network ls --quiet --filter label="$0" | xargs --no-run-if-empty docker network rm`

// prepare makes the image and a network, and sees to it that nothing is left of the stack when this program has
// ended, however that ended.
func (d *docker) prepare(ctx context.Context, s *stack.Stack) error {
	if _, err := exec.LookPath("docker"); err != nil {
		return errors.New("the containers need Docker, and the command docker is not installed")
	}
	if out, err := exec.CommandContext(ctx, "docker", "version").CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("the containers need Docker: %s", lines[len(lines)-1])
	}
	d.label = "babelon.stack=" + filepath.Base(s.Dir)
	now, err := stack.AtExit(sweep, d.label)
	if err != nil {
		return err
	}
	s.OnStop(now)
	log.SetDefault(log.NewNoopLogger()) // what a reader needs is in the errors
	if err := buildImage(ctx); err != nil {
		return err
	}
	d.network, err = network.New(ctx, network.WithLabels(d.labels()))
	return err
}

func (d *docker) labels() map[string]string {
	name, value, _ := strings.Cut(d.label, "=")
	return map[string]string{name: value}
}

func buildImage(ctx context.Context) error {
	provider, err := testcontainers.NewDockerProvider()
	if err != nil {
		return err
	}
	defer provider.Close()
	repo, tag, _ := strings.Cut(image, ":")
	var said bytes.Buffer
	_, err = provider.BuildImage(ctx, &testcontainers.ContainerRequest{FromDockerfile: testcontainers.FromDockerfile{
		Context:        filepath.Join(stack.Root(), "tests", "stack", "containers"),
		Repo:           repo,
		Tag:            tag,
		BuildLogWriter: &said,
		// Where Docker's own network leads nowhere, this machine's still does.
		BuildOptionsModifier: func(o *client.ImageBuildOptions) { o.NetworkMode = "host" },
	}})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, said.String())
	}
	return nil
}

// run starts a container that others know by its name. Returns the port on loopback that leads to one of its own.
func (d *docker) run(ctx context.Context, name string, port int, options ...testcontainers.ContainerCustomizer) (int, error) {
	ours := fmt.Sprintf("%d/tcp", port)
	options = append([]testcontainers.ContainerCustomizer{
		testcontainers.WithLabels(d.labels()),
		testcontainers.WithExposedPorts(ours),
		network.WithNetwork([]string{name}, d.network),
	}, options...)
	options = append(options, onLoopback)
	c, err := testcontainers.Run(ctx, image, options...)
	if c != nil {
		d.containers.Store(name, c)
	}
	if err != nil {
		said, _ := logs(context.WithoutCancel(ctx), c) // as far as it can be had
		return 0, fmt.Errorf("container %s: %w\n%s", name, err, said)
	}
	published, err := c.MappedPort(ctx, ours)
	return int(published.Num()), err
}

// Shell runs a script of bash where there are Debian's psql and pg_dump, on this machine's network. Returns what it printed.
func (d *docker) Shell(ctx context.Context, script string) (string, error) {
	command := exec.CommandContext(ctx, "docker", "run", "--rm", "--interactive", "--network=host", "--label="+d.label, image, "bash")
	command.Stdin = strings.NewReader(script)
	out, err := command.CombinedOutput()
	return string(out), err
}

// onLoopback publishes a container's ports to this machine alone. Docker would to the world.
var onLoopback = testcontainers.CustomizeRequestOption(func(request *testcontainers.GenericContainerRequest) error {
	return testcontainers.WithHostConfigModifier(func(host *container.HostConfig) {
		host.PortBindings = dockernetwork.PortMap{}
		for _, port := range request.ExposedPorts {
			loopback := dockernetwork.PortBinding{HostIP: netip.AddrFrom4([4]byte{127, 0, 0, 1})}
			host.PortBindings[dockernetwork.MustParsePort(port)] = []dockernetwork.PortBinding{loopback}
		}
	}).Customize(request)
})

func file(path, content string) testcontainers.ContainerFile {
	return testcontainers.ContainerFile{Reader: strings.NewReader(content), ContainerFilePath: path, FileMode: 0o644}
}

// logs returns what a container has said.
func logs(ctx context.Context, c *testcontainers.DockerContainer) ([]byte, error) {
	reader, err := c.Logs(ctx)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	return io.ReadAll(reader)
}

// signal sends a signal to a container's first process.
func (d *docker) signal(ctx context.Context, name, signal string) error {
	c, _ := d.containers.Load(name)
	_, _, err := c.(*testcontainers.DockerContainer).Exec(ctx, []string{"sh", "-c", "kill -" + signal + " 1"})
	return err
}

// FilesWith is the stack.Provider's: the files of the database servers, and what all of them have said. It fails where it
// could not look, other than at a file that went meanwhile.
func (d *docker) FilesWith(ctx context.Context, text string) (found []string, err error) {
	// Byte by byte, since no argument may have a NUL, and so that the text is in no list of processes.
	var pattern strings.Builder
	for _, b := range []byte(text) {
		fmt.Fprintf(&pattern, `\x%02x`, b)
	}
	d.containers.Range(func(name, value any) bool {
		var here []string
		if here, err = filesWith(ctx, value.(*testcontainers.DockerContainer), text, pattern.String()); err != nil {
			err = fmt.Errorf("searching %v: %w", name, err)
		}
		for _, file := range here {
			found = append(found, fmt.Sprint(name, ":", file))
		}
		return err == nil
	})
	return found, err
}

// went is what grep says of a file that went after it was listed.
var went = regexp.MustCompile(`^grep: /var/lib/postgresql/.+: No such file or directory$`)

func filesWith(ctx context.Context, c *testcontainers.DockerContainer, text, pattern string) (found []string, err error) {
	said, err := logs(ctx, c)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(said, []byte(text)) {
		found = append(found, "log")
	}
	code, out, err := c.Exec(ctx, []string{"grep", "-rlaP", pattern, "/var/lib/postgresql"}, tcexec.Multiplexed(), tcexec.WithEnv([]string{"LC_ALL=C"}))
	if err != nil {
		return nil, err
	}
	said, err = io.ReadAll(out)
	if err != nil || code > 2 { // at 2 it has said why
		return nil, cmp.Or(err, fmt.Errorf("grep ends with %d: %s", code, said))
	}
	for line := range strings.Lines(string(said)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "/"):
			found = append(found, line)
		case !went.MatchString(line):
			return nil, errors.New(line)
		}
	}
	return found, nil
}
