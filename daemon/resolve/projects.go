package resolve

// Projects are the configured projects. They never change; a reload makes new
// Projects.
type Projects struct {
	// First is the default project.
	First *Project
	// List has all projects, in the configuration's order.
	List []*Project
	// ByName has all projects by name.
	ByName map[string]*Project
}

// NewProjects returns the projects of a list. The list must not be empty.
func NewProjects(list []*Project) Projects {
	p := Projects{First: list[0], List: list, ByName: map[string]*Project{}}
	for _, project := range list {
		p.ByName[project.name] = project
	}
	return p
}
